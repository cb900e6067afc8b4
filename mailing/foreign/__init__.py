"""Mail that strangers send, read as far as it can be read. All of it is pure.

``anatomy``   what the HTML of a message is made of, as a careful mail program sees it
``headers``   the header of foreign mail (RFC 5322, 2045, 2047, 2231): its fields, and what stands in them
``mail``      mail of strangers, read as far as it can be read: any bytes in, a record out
``pictures``  the HTML of a message with the pictures that came with it in place (RFC 2392)
``text``      the bytes of foreign mail as text: charsets, transfer encodings, encoded words
"""
