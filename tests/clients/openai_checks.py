"""What openai-python does with a hub beside what its page shows. Run by `child.py`."""

import os

import openai
from openai import OpenAI

client = OpenAI(
    base_url=f"{os.environ['HUB_URL']}/v1", api_key=os.environ["HUB_TOKEN"], max_retries=0
)
QUESTION = [{"role": "user", "content": "one two three"}]


def check_models():
    return [model.id for model in client.models.list()]


def check_stream_helper():
    with client.chat.completions.stream(model="echo/echo", messages=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion().choices[0].message.content
    return {"kinds": sorted(set(kinds)), "final": final}


def check_wrong_token():
    with OpenAI(base_url=client.base_url, api_key="hub-wrong", max_retries=0) as stranger:
        try:
            stranger.models.list()
        except openai.AuthenticationError as error:
            return [error.status_code, error.code]


def check_asynchronous():
    import asyncio

    async def ask():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as other:
            answers = await asyncio.gather(
                *(
                    other.chat.completions.create(
                        model="echo/echo", messages=[{"role": "user", "content": text}]
                    )
                    for text in ("one", "two", "three")
                )
            )
        return [answer.choices[0].message.content for answer in answers]

    return asyncio.run(ask())
