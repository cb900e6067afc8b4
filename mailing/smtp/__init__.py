"""The dialogue with a mail server, and what its replies mean.

``account``     where mail is handed over, how the line is protected, and how widely
``certificates``  what a certificate says, in a sentence
``connection``  one open SMTP connection as bytes: commands out, replies in, and a deadline for each
                answer
``dialogue``    what is said on one connection, written down for a person to read: who said what, and when
``envelope``    a mail, and its envelope in SMTP commands for what a server offers (RFC 5321 section 3.3)
``faults``      why a connection could not be opened, and what that means for the mail that waits
``handshake``   from nothing to a connection that takes mail: connect, TLS, EHLO, AUTH
``inspection``  whether a sender can be used: each stage up to the sign-in, and nothing is sent
``overheard``   a connection on which somebody listens: all that is said goes into a ``Dialogue`` as well
``replies``     what an SMTP server answers
``rulebook``    whom a refusal means, and what follows from it
``session``     one connection, one message after the other, pipelined where the server offers it
``sign_in``     signing in to a mail server: by password, or by an access token
``trial``       one mail sent at once, over a connection of its own, with all that is said written down
``verdicts``    what becomes of one email by what the server answered: the attempt's result, and what the
                connection does
"""
