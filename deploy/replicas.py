"""`replicas.py HOST …`: make these members of MongoDB one replica set, `warren`, unless they are one already."""

import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

ALREADY = 23


def main(hosts: list[str]) -> None:
    members = [{"_id": number, "host": f"{host}:27017"} for number, host in enumerate(hosts)]
    with MongoClient[dict[str, Any]](hosts[0], directConnection=True, serverSelectionTimeoutMS=2000) as client:
        while True:
            try:
                client.admin.command("replSetInitiate", {"_id": "warren", "members": members})
            except OperationFailure as error:
                if error.code == ALREADY:
                    return
                sys.stderr.write(f"{error}\n")
            except PyMongoError:
                pass  # they are not up yet
            time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1:])
