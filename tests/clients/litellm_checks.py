"""What LiteLLM does with a hub beside what its page shows. Run by `child.py`."""

import os

import litellm
import openai

# It would write about its errors on standard output.
litellm.suppress_debug_info = True
HUB = {"api_base": f"{os.environ['HUB_URL']}/v1", "api_key": os.environ["HUB_TOKEN"]}
QUESTION = [{"role": "user", "content": "one two three"}]


def check_errors():
    seen = {}
    for name, more in (
        ("nobody/nothing", {"model": "openai/nobody/nothing", **HUB}),
        ("wrong token", {"model": "openai/echo/echo", **HUB, "api_key": "hub-wrong"}),
    ):
        try:
            litellm.completion(messages=QUESTION, max_retries=0, **more)
        except openai.APIError as error:
            seen[name] = type(error).__name__
    return seen


def check_router():
    """The configuration of the proxy, as the proxy's own router reads it."""
    import yaml

    router = litellm.Router(**yaml.safe_load(os.environ["PAGE_CONFIGURATION"]))
    return router.completion("sonnet", QUESTION).choices[0].message.content
