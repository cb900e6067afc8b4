"""The speed and memory claims, measured: ``python -m benchmarks [--postgres URL] [ROW...]``.

Every figure comes from real processes, and messages are counted where they arrive. Bars are ratios to a
reference of the same run wherever the machine decides the absolute figure.

=============== ==================================================================================
``__main__``    the rows, in their order; runs them, prints the table, exits 1 if a bar is missed
``figures``     a figure, its bar, the table (pure)
``messages``    what is sent, to whom (pure)
``site``        where a row runs: its folder, its database, its Volley
``sinks``       SMTP servers that count: Postfix's ``smtp-sink``, or our own
``watching``    looking at something while a row does something else
``processes``   starting and ending processes; their CPU time and memory
``speed``       rows: emails per second over loopback
``naive``       the Celery application that Volley is compared with
``pages``       rows: pasting a long list, the first email after Send
``imported``    row: a long file becomes a saved list
``leaving``     row: one-click unsubscribes to one web process, while emails leave
``browser``     a client for the pages
``distance``    rows: servers that are far away or slow
``slow_line``   the line to them
``memory``      row: the workers' memory over a long campaign
``looking``     row: pages, searches and exports over years of sending
``receipts``    row: the receipt of a million recipients, written, checked, and spoiled
``returned``    row: bounces that a mail server brings
``accuracy``    how well bounces are read, by samples that are not in this house
``archive``     these years, written straight into the tables
=============== ==================================================================================
"""
