"""Which partition a key belongs to: Kafka's default partitioner, written from its description."""

_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 as an unsigned number."""
    mixer = 0x5BD1E995
    length = len(data)
    state = 0x9747B28C ^ length
    whole = length // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * mixer & _MASK
        word ^= word >> 24
        word = word * mixer & _MASK
        state = (state * mixer & _MASK) ^ word
    tail = data[whole:]
    if tail:
        state ^= int.from_bytes(tail, "little")
        state = state * mixer & _MASK
    state ^= state >> 13
    state = state * mixer & _MASK
    return state ^ (state >> 15)


def partition_for_key(key: str, partition_count: int) -> int:
    return (murmur2(key.encode("utf-8")) & 0x7FFFFFFF) % partition_count
