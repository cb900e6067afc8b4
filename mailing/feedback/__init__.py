"""What mail providers tell of emails that they took: bounces, complaints and unsubscriptions, by webhooks.

``providers``  which there are
``events``     what an event says, and the report that it becomes (pure)
``readers``    the events of each provider, out of any JSON (pure)
``amazon``     Amazon SNS and SES: messages, what is signed of them, and their events (pure)
``proofs``     whether a request comes from the provider (pure)
``fetching``   what is asked of Amazon's own hosts: certificates, and the link that confirms
``tables``     the table
``store``      webhooks are made, found and removed; their secrets are sealed
"""
