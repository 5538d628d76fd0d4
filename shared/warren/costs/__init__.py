"""What a call costs: prices from a configuration, a price file and `genai-prices`, and exact sums of them. No I/O.

`Prices` knows what each deployment costs and makes the `Bill` of a call. A `Sheet` is what is known of one model's
prices, ready to be asked; `Table` a price file in LiteLLM's format. A price that nobody knows is None and is named,
never 0; a 0 that somebody states is a price.
"""

from warren.costs.bill import Bill, Served
from warren.costs.prices import Prices
from warren.costs.sheet import Sheet
from warren.costs.table import Table

__all__ = ["Bill", "Prices", "Served", "Sheet", "Table"]
