"""An uploaded file becomes rows: whatever wrote it, in whatever encoding. It knows no database.

``cells``      what workbooks and JSON hold becomes values of merge fields, and text
``delimited``  rows of text whose cells a sign parts: CSV and TSV
``encodings``  which encoding a file of text is in, and how many lines it has
``faults``     what cannot be read: a file as a whole, or one row of it
``guesses``    where a table has its header, and what each of its columns is
``plans``      how a file is read: format, encoding, sheet, and what each column is
``reading``    a file, read: first a look at how it is made, then all of its rows
``rows``       what a row means: a contact, or why it is none
``standings``  whether a contact may be mailed, by what a file says of it
"""
