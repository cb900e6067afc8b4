"""The commands about campaigns, from a draft to the end.

``changes``      ``volley correct``, ``failure-limit``, ``follow-up``, ``retry``, ``skip`` and more
``corrections``  what they do that change what is being sent
``messages``     what the commands about a message do: shown as somebody gets it, sent as a test,
                 checked, rehearsed
``progress``     its bar while it is sent, and what became of it
``steering``     what the commands do that schedule and steer a campaign, and its lanes
``timing``       those commands, and the options that say when a campaign is sent
``work``         what the other commands do
"""
