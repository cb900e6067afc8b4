"""What a person writes becomes the templates of a message. All of it is pure.

``fallbacks``  what a message says where a recipient has no value: ``{{ name }}`` becomes ``{{ name or
               "friend" }}``
``frame``      volley's own frame around a body that was written visually or in Markdown
``inlining``   styles are written into the elements that they apply to, for mail programs that ignore
               ``<style>``
``markdown``   markdown becomes the HTML of a body
``markup``     HTML of any kind becomes HTML that Python's own parser reads in time, at the same lines and
               columns
``masks``      marks are hidden from the tools that read HTML, Markdown and MJML, and stand in their
               places again after
``mjml``       MJML becomes an HTML document
``plain_text`` the text of an HTML message, for those who read no HTML
``preheader``  the line that mail programs show beside the subject, hidden within the message itself
``sanitizing`` HTML that may hold anything becomes a document that does nothing, for a preview; and what
               it held is told
``starters``   the templates that come with Volley: a message to begin with
``visual``     the HTML of a visual editor becomes that of a body
``written``    the ways in which a message is written, and what it becomes
"""
