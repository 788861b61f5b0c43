"""For tests: a fake of the vendor's back end, and the way of the vendor's tool to it.

`code_assist` needs aiohttp, which the provider itself does not: install it for your tests.
"""
