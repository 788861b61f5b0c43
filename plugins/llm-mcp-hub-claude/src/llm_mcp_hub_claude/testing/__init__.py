"""For tests: a fake of the vendor's back end, and a fake of the vendor's tool.

`messages_api` needs aiohttp, which the provider itself does not: install it for your tests.
"""
