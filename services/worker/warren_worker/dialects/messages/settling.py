"""What other models and broken answers leave behind in a conversation, and the API would refuse."""

from warren.objects import Item

THOUGHTS = ("thinking", "redacted_thinking")


def settled(turns: list[Item]) -> list[Item]:
    """The turns as messages: none is empty, and no two in a row are of the same role."""
    for turn in turns[:-1]:
        turn["content"] = _searched(turn["content"])
    made: list[Item] = []
    for turn in turns:
        if turn["role"] == "assistant":
            _end_without_thoughts(turn["content"])
        if turn["content"] and made and made[-1]["role"] == turn["role"]:
            made[-1]["content"] += turn["content"]
        elif turn["content"]:
            made.append(turn)
    if made and made[-1]["role"] == "assistant" and made[-1]["content"][-1]["type"] == "text":
        last = made[-1]["content"][-1]
        last["text"] = last["text"].rstrip()  # the model would go on in the middle of a word
    return made


def _searched(blocks: list[Item]) -> list[Item]:
    """Without searches that nothing came of: they were given up with an answer that broke off."""
    found = {block["tool_use_id"] for block in blocks if block["type"] == "web_search_tool_result"}
    return [block for block in blocks if block["type"] != "server_tool_use" or block["id"] in found]


def _end_without_thoughts(blocks: list[Item]) -> None:
    """Thoughts of which nothing came may not be the last that was said."""
    while blocks and blocks[-1]["type"] in THOUGHTS:
        blocks.pop()
