"""Senders: their page, the consent of their accounts, and the same for programs.

``account_fields``    the fields that programs send for a sender as well as for a mailbox
``campaign_views``  by which senders a campaign goes, changed while it is sent
``consents``        a browser goes to an account's provider, where consent is given, and comes back
``forecasts``       when the rest of a campaign is sent, for programs
``forms``           what is typed for a sender, and what is wrong with it
``inspections``     tests of senders, which pages and API begin in the same way
``programs``        senders for programs
``route_form``      the fields of a campaign's form that say by which senders it goes, and its own limits
``views``           the page of all senders, and of one
``warmups``         warm-ups of senders for programs
"""
