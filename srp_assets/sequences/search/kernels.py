"""The loops of the final search, compiled: for each candidate of a request, the best of some actions.

Actions come as places in columns, the newest first; so does what is found, whatever it was chosen by.
"""

from typing import Any

import numpy as np

from srp_assets.features.aggregation.kernels import kernel


@kernel
def hard_search(codes: Any, rows: Any, wanted: Any, weights: Any, fill: bool, found: Any, scores: Any, counts: Any) -> None:
    """Chooses by agreement in attributes.

    A class is the first attribute in which action and candidate agree, and one more for what agrees in none. In each class actions are
    sorted by their score already, since weights never grow with age: so the best are a merge of the classes. Actions are listed once by
    the codes that candidates have, so a candidate only meets those that agree with it.

    Args:
        codes: int64 of shape (attributes, all actions), 0 for null.
        rows: places of the actions that are searched, shape (actions,).
        wanted: codes of the candidates, shape (attributes, candidates), 0 for null.
        weights: float64 of shape (actions,), never growing.
        fill: whether what agrees in nothing takes the places that are left.
        found: int64 of shape (candidates, length), filled with places in `rows`.
        scores: float64 of the same shape, filled.
        counts: int64 of shape (candidates,), filled.
    """
    attributes, size, length, candidates = codes.shape[0], rows.shape[0], found.shape[1], wanted.shape[1]
    slots = np.empty((attributes, size), np.int64)
    wanted_slots = np.empty((attributes, candidates), np.int64)
    members = np.empty((attributes, size), np.int64)
    begins = np.zeros((attributes, candidates + 1), np.int64)
    for attribute in range(attributes):
        _list_members(
            codes[attribute], rows, wanted[attribute], slots[attribute], wanted_slots[attribute], members[attribute], begins[attribute]
        )
    heads = np.empty(attributes + 1, np.int64)
    own = np.empty(attributes, np.int64)
    for candidate in range(candidates):
        for attribute in range(attributes):
            own[attribute] = wanted_slots[attribute, candidate]
            heads[attribute] = begins[attribute, own[attribute]] if own[attribute] >= 0 else 0
        heads[attributes] = 0
        count = 0
        while count < length:
            best, best_score, best_place = -1, -1.0, 0
            for attribute in range(attributes):
                if own[attribute] < 0:
                    continue
                end = begins[attribute, own[attribute] + 1]
                while heads[attribute] < end and _agrees(slots, own, attribute, members[attribute, heads[attribute]]):
                    heads[attribute] += 1
                if heads[attribute] < end:
                    place = members[attribute, heads[attribute]]
                    score = (attributes - attribute) * weights[place]
                    if score > best_score or (score == best_score and place < best_place):
                        best, best_score, best_place = attribute, score, place
            if fill and best_score <= 0.0:
                while heads[attributes] < size and _agrees(slots, own, attributes, heads[attributes]):
                    heads[attributes] += 1
                place = heads[attributes]
                if place < size and (best_score < 0.0 or place < best_place):
                    best, best_score, best_place = attributes, 0.0, place
            if best < 0:
                break
            found[candidate, count] = best_place
            scores[candidate, count] = best_score
            heads[best] += 1
            count += 1
        counts[candidate] = count
        _newest_first(found[candidate], scores[candidate], count)


@kernel
def _list_members(codes: Any, rows: Any, wanted: Any, slots: Any, wanted_slots: Any, members: Any, begins: Any) -> None:
    """Lists actions by the different codes that are wanted, the newest first.

    Args:
        codes: of all actions.
        rows: places of the actions that are searched.
        wanted: codes, 0 for none.
        slots: filled with the number of each action's code, -1 for one that nobody wants.
        wanted_slots: filled with the same of what is wanted.
        members: filled with places in `rows`, one code after the other.
        begins: filled with where those of each code begin; zeros before.
    """
    # Codes are digests, spread evenly: a table of twice their number finds one at once, where a binary search takes eight steps.
    size = 2
    while size < 2 * wanted.shape[0]:
        size *= 2
    keys = np.zeros(size, np.int64)
    numbers = np.empty(size, np.int64)
    count = 0
    for place in range(wanted.shape[0]):
        found = _found(keys, wanted[place])
        if wanted[place] == 0:
            wanted_slots[place] = -1
        elif keys[found] == 0:
            keys[found], numbers[found] = wanted[place], count
            wanted_slots[place] = count
            count += 1
        else:
            wanted_slots[place] = numbers[found]
    for place in range(rows.shape[0]):
        code = codes[rows[place]]
        slots[place] = -1
        if code != 0:
            found = _found(keys, code)
            if keys[found] != 0:
                slots[place] = numbers[found]
                begins[numbers[found] + 1] += 1
    for number in range(begins.shape[0] - 1):
        begins[number + 1] += begins[number]
    heads = begins.copy()
    for place in range(rows.shape[0]):
        if slots[place] >= 0:
            members[heads[slots[place]]] = place
            heads[slots[place]] += 1


@kernel
def _found(keys: Any, code: int) -> int:
    """The place of a code in a table of them, or the free one that it would get; zeros are free."""
    place = code & (keys.shape[0] - 1)
    while keys[place] != 0 and keys[place] != code:
        place = (place + 1) & (keys.shape[0] - 1)
    return place


@kernel
def _agrees(slots: Any, own: Any, attributes: int, place: int) -> bool:
    """Whether an action agrees with a candidate in one of its first attributes."""
    agrees = False
    for attribute in range(attributes):
        agrees |= own[attribute] >= 0 and slots[attribute, place] == own[attribute]
    return agrees


@kernel
def soft_search(
    vectors: Any, rows: Any, places: Any, wanted: Any, penalties: Any, signatures: Any, nearest: int, found: Any, scores: Any, counts: Any
) -> None:
    """Chooses by the inner product of vectors: in float64, summed over dimensions in their order.

    Args:
        vectors: float32 of shape (items, dimensions).
        rows: places of the actions that are searched, shape (actions,).
        places: the items of all actions as rows of `vectors`, -1 for none.
        wanted: the items of the candidates, shape (candidates,).
        penalties: what age takes off each score, float64 of shape (actions,).
        signatures: uint64 of shape (items,): signs of random projections.
        nearest: how many actions are looked at, those whose signature differs least; 0 for all.
        found: int64 of shape (candidates, length), filled with places in `rows`.
        scores: float64 of the same shape, filled.
        counts: int64 of shape (candidates,), filled.
    """
    dimensions, length = vectors.shape[1], found.shape[1]
    known = np.empty(rows.shape[0], np.int64)
    size = 0
    for place in range(rows.shape[0]):
        if places[rows[place]] >= 0:
            known[size] = place
            size += 1
    columns = np.empty((dimensions, size), np.float64)
    for number in range(size):
        item = places[rows[known[number]]]
        for dimension in range(dimensions):
            columns[dimension, number] = vectors[item, dimension]
    products = np.empty(size, np.float64)
    looked_at = np.empty(size, np.int64)
    for candidate in range(wanted.shape[0]):
        counts[candidate] = 0
        item = wanted[candidate]
        if item < 0 or size == 0:
            continue
        if 0 < nearest < size:
            chosen = _nearest(signatures, places, rows, known, size, signatures[item], nearest, looked_at)
            for number in range(chosen):
                own = looked_at[number]
                total = 0.0
                for dimension in range(dimensions):
                    total += np.float64(vectors[item, dimension]) * columns[dimension, own]
                products[number] = total - penalties[known[own]]
        else:
            chosen = size
            products[:] = 0.0
            for dimension in range(dimensions):
                factor = np.float64(vectors[item, dimension])
                column = columns[dimension]
                for number in range(size):
                    products[number] += factor * column[number]
            for number in range(size):
                looked_at[number] = number
                products[number] -= penalties[known[number]]
        counts[candidate] = _best(products[:chosen], looked_at, known, length, found[candidate], scores[candidate])


@kernel
def _best(products: Any, looked_at: Any, known: Any, length: int, found: Any, scores: Any) -> int:
    """The actions with the largest products, of equal ones the newest; they stay in their order."""
    size = products.shape[0]
    ties = size
    threshold = -np.inf
    if size > length:
        threshold = np.partition(products, size - length)[size - length]
        above = 0
        for number in range(size):
            above += products[number] > threshold
        ties = length - above
    count = 0
    for number in range(size):
        if products[number] > threshold or (products[number] == threshold and ties > 0):
            if products[number] == threshold:
                ties -= 1
            found[count] = known[looked_at[number]]
            scores[count] = products[number]
            count += 1
    return count


@kernel
def _nearest(signatures: Any, places: Any, rows: Any, known: Any, size: int, signature: Any, nearest: int, looked_at: Any) -> int:
    """The actions whose signatures differ least, of equal ones the newest; they stay in their order."""
    bits = np.empty(size, np.int64)
    histogram = np.zeros(65, np.int64)
    for number in range(size):
        bits[number] = _bits(signatures[places[rows[known[number]]]] ^ signature)
        histogram[bits[number]] += 1
    limit, taken = 0, 0
    while taken + histogram[limit] < nearest:
        taken += histogram[limit]
        limit += 1
    left = nearest - taken
    count = 0
    for number in range(size):
        if bits[number] < limit or (bits[number] == limit and left > 0):
            if bits[number] == limit:
                left -= 1
            looked_at[count] = number
            count += 1
    return count


@kernel
def _bits(word: Any) -> int:
    """How many bits of 64 are set (H. S. Warren, "Hacker's Delight", 2nd edition, section 5-1)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _newest_first(found: Any, scores: Any, count: int) -> None:
    """Puts what was chosen into the order of places."""
    order = np.argsort(found[:count])
    places, kept = found[:count].copy(), scores[:count].copy()
    for number in range(count):
        found[number] = places[order[number]]
        scores[number] = kept[order[number]]
