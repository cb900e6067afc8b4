"""An uploaded file becomes rows: whatever wrote it, in whatever encoding. It knows no database.

``archives``   ZIP archives of CSV files, as Mailchimp exports them
``cells``      they become values of merge fields, and text; what cannot be read says why
``delimited``  rows of text whose cells a sign parts: CSV and TSV
``encodings``  which encoding a file of text is in, and how many lines it has
``exports``    those of other programs, recognised by their columns
``guesses``    where a table has its header, and what each of its columns is
``jsons``      JSON Lines, and documents of JSON with a list of objects in them
``kinds``      what a file is, by its content
``plans``      how a file is read: format, encoding, sheet, and what each column is
``reading``    a file, read: first a look at how it is made, then all of its rows
``rows``       what a row means: a contact, or why it is none
``standings``  whether a contact may be mailed, by what a file says of it
``unpacking``  what is packed in an archive, measured before anyone unpacks it
``vcards``     address books as vCard files
``workbooks``  XLSX, XLS and ODS
"""
