import asyncio

import warren as litellm


async def main():
    response = await litellm.aresponses(
        model="openai/o1-pro",
        input="Tell me a three sentence bedtime story about a unicorn.",
        max_output_tokens=100
    )
    response_id = response.id

    stream = await litellm.aresponses(
        model="openai/o1-pro",
        input="Tell me another one.",
        previous_response_id=response_id,
        max_output_tokens=100,
        stream=True
    )

    async for event in stream:
        print(event)

    retrieved_response = await litellm.aget_responses(response_id=response_id)

    print(retrieved_response)

    delete_response = await litellm.adelete_responses(response_id=response_id)

    print(delete_response)


asyncio.run(main())
