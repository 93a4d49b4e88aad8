"""What a pattern asks of a text, as automata that read the text once: no pattern can make a scan backtrack.

Every character that a pattern asks for is a *position* (Glushkov's construction: no step without a character). A way from one position to
the next may hang on *facts* about the place between the two characters: start and end, line and word boundaries, and whether the
body of a lookaround ends or begins there. Such a body is an automaton of its own, run over the whole text before those that ask for it;
so a lookaround costs one more pass and not one more trial for each place.

The construction also counts in how many ways a step can be taken, which tells what a searching machine would suffer from: `ambiguous_loop`
finds repetitions that can read the same characters in several ways (Weber and Seidl, On the degree of ambiguity of finite automata,
1991: exactly these make the number of ways grow exponentially with the text).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from srp_assets.wordlists.patterns.sets import CodePoints, overlap
from srp_assets.wordlists.patterns.tree import At, Atomic, Chars, Concat, Either, Group, Kind, Look, Node, Pattern, Reference, Repeat
from srp_assets.wordlists.syntax import WordError

MAX_POSITIONS = 2000
"""Characters of a pattern with its repetitions written out: a step of the automaton may touch all of them."""

MAX_STEPS = 100_000
"""Ways from one position to another, which `(a?b?c?..){50}` has in squares of its positions."""

MAX_LOOP = 300
"""Positions of one repetition whose ambiguity is examined: the examination takes the square of them."""

FACTS: Mapping[Kind, int] = {
    "start": 1,
    "end": 2,
    "line_start": 4,
    "line_end": 8,
    "last_line_end": 16,
    "boundary": 32,
    "no_boundary": 64,
}
"""The bit of each fact; those of lookarounds follow."""

FIRST_LOOK = len(FACTS)

MAX_LOOKS = 32
"""Lookarounds of one pattern; facts are kept in 64 bits."""

Ways = dict[int, int]
"""In how many ways something goes on, by the facts that have to hold for it (two stands for several)."""


@dataclass(eq=False)
class Automaton:
    """Reads a text character by character.

    Attributes:
        sets: for each position its characters.
        starts: positions that may begin a match, with the facts that have to hold before them.
        steps: for each position those that may follow, with the facts that have to hold between.
        ends: positions that may end a match, with the facts that have to hold behind them.
        empties: facts under which nothing at all is a match.
        look: the lookaround that it is the body of, with its fact; None for a whole pattern. The body of a lookahead reads backwards.
    """

    sets: list[CodePoints] = field(default_factory=list)
    starts: list[tuple[int, int]] = field(default_factory=list)
    steps: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    ends: list[tuple[int, int]] = field(default_factory=list)
    empties: list[int] = field(default_factory=list)
    look: tuple[Look, int] | None = None
    several: set[tuple[int, int]] = field(default_factory=set)
    loops: list[tuple[int, int, Repeat]] = field(default_factory=list)


def automata_of(pattern: Pattern) -> list[Automaton]:
    """The automata of a pattern, each behind those that it asks for; the last one is the whole pattern.

    A back reference is read as anything that its group could find: such a pattern's automaton finds more than the pattern.

    Raises:
        WordError: for a pattern that is too large.
    """
    looks: dict[Look, int] = {}
    automata: list[Automaton] = []
    _Builder(pattern, looks, automata).build(pattern.node, None)
    return automata


def ambiguous_loop(automaton: Automaton) -> Repeat | None:
    """A repetition without bound that can read the same characters in several ways; None if there is none.

    Raises:
        WordError: for a repetition that is too large to tell.
    """
    for part in _loops(automaton):
        if not (part[0] in (target for target, _ in automaton.steps.get(part[0], ())) or len(part) > 1):
            continue
        if len(part) > MAX_LOOP:
            raise WordError(
                f"a repetition without bound holds more than {MAX_LOOP} characters", "repeat something smaller, or with a bound"
            )
        if _reads_in_several_ways(automaton, set(part)):
            around = [(high - low, repeat) for low, high, repeat in automaton.loops if low <= part[0] < high]
            return max(around, key=lambda sized: (sized[0], sized[1].end - sized[1].start))[1]
    return None


@dataclass(slots=True)
class _Fragment:
    """A part of an automaton: where it begins and ends, and whether it may be nothing."""

    first: dict[int, Ways]
    last: dict[int, Ways]
    empty: Ways


class _Builder:
    """Builds one automaton, and before it those of its lookarounds."""

    def __init__(self, pattern: Pattern, looks: dict[Look, int], automata: list[Automaton]) -> None:
        self._pattern = pattern
        self._looks = looks
        self._automata = automata
        self._steps: dict[tuple[int, int], Ways] = {}
        self._step_count = 0
        self._automaton = Automaton()

    def build(self, node: Node, look: Look | None) -> None:
        """Builds the automaton of a node, the body of a lookaround if one is given."""
        whole = self._of(node)
        result = self._automaton
        result.starts = [(position, facts) for position, ways in whole.first.items() for facts in _least(ways)]
        result.ends = [(position, facts) for position, ways in whole.last.items() for facts in _least(ways)]
        result.empties = _least(whole.empty)
        steps: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for (source, target), ways in self._steps.items():
            steps[source] += [(target, facts) for facts in _least(ways)]
            if sum(ways.values()) > 1:
                result.several.add((source, target))
        result.steps = dict(steps)
        if look is not None:
            number = FIRST_LOOK + len(self._looks)
            if len(self._looks) == MAX_LOOKS:
                raise WordError(f"the pattern has more than {MAX_LOOKS} lookarounds", "write several patterns")
            self._looks[look] = number
            result.look = (look, 1 << number)
        self._automata.append(result)

    def _of(self, node: Node) -> _Fragment:
        if isinstance(node, Chars):
            return self._position(node.chars)
        if isinstance(node, Concat):
            return self._row(self._of(item) for item in node.items)
        if isinstance(node, Either):
            return self._either(node)
        if isinstance(node, Repeat):
            return self._repeat(node)
        if isinstance(node, At):
            return _Fragment({}, {}, {FACTS[node.kind]: 1})
        if isinstance(node, Look):
            return self._look(node)
        return self._of(self._pattern.groups[node.number] if isinstance(node, Reference) else node.body)

    def _position(self, chars: CodePoints) -> _Fragment:
        number = len(self._automaton.sets)
        if number == MAX_POSITIONS:
            raise WordError(f"the pattern asks for more than {MAX_POSITIONS:,} characters", "write a shorter one, or fewer repetitions")
        self._automaton.sets.append(chars)
        return _Fragment({number: {0: 1}}, {number: {0: 1}}, {})

    def _look(self, node: Look) -> _Fragment:
        if node not in self._looks:
            body = node.body if node.is_behind else _backwards(node.body)
            _Builder(self._pattern, self._looks, self._automata).build(body, node)
        return _Fragment({}, {}, {1 << self._looks[node]: 1})

    def _row(self, parts: Iterable[_Fragment]) -> _Fragment:
        whole = _Fragment({}, {}, {0: 1})
        for part in parts:
            self._join(whole.last, part.first)
            first = _either(whole.first, {position: _both(whole.empty, ways) for position, ways in part.first.items()})
            last = _either(part.last, {position: _both(ways, part.empty) for position, ways in whole.last.items()})
            whole = _Fragment(first, last, _both(whole.empty, part.empty))
        return whole

    def _either(self, node: Either) -> _Fragment:
        whole = _Fragment({}, {}, {})
        for branch in node.branches:
            part = self._of(branch)
            # Positions of different branches are different, so nothing is overwritten.
            whole = _Fragment(whole.first | part.first, whole.last | part.last, _sum(whole.empty, part.empty))
        return whole

    def _repeat(self, node: Repeat) -> _Fragment:
        begin = len(self._automaton.sets)
        if node.most is None:
            needed = [self._of(node.body) for _ in range(max(1, node.least))]
            loop = needed[-1]
            self._join(loop.last, loop.first)
            if node.least == 0:
                loop.empty = _sum(loop.empty, {0: 1})
            self._automaton.loops.append((begin, len(self._automaton.sets), node))
            return self._row(needed)
        needed = [self._of(node.body) for _ in range(node.least)]
        return self._row([*needed, self._at_most(node.body, node.most - node.least)])

    def _at_most(self, body: Node, count: int) -> _Fragment:
        """A body up to `count` times. A turn that is nothing is as good as no turn, so only the first one may be nothing."""
        whole = _Fragment({}, {}, {0: 1})
        before: dict[int, Ways] = {}
        for number in range(count):
            part = self._of(body)
            self._join(before, part.first)
            if number == 0:
                whole.first, whole.empty = part.first, _sum(part.empty, {0: 1})
            whole.last |= part.last
            before = part.last
        return whole

    def _join(self, before: Mapping[int, Ways], after: Mapping[int, Ways]) -> None:
        """Adds the steps from where one part ends to where the next begins."""
        self._step_count += len(before) * len(after)
        if self._step_count > MAX_STEPS:
            raise WordError("the pattern is too large: too many of its parts may follow each other", "write several patterns")
        for source, ended in before.items():
            for target, begun in after.items():
                self._steps[source, target] = _sum(self._steps.get((source, target), {}), _both(ended, begun))


def _both(one: Ways, other: Ways) -> Ways:
    if one == _FREE:
        return other
    if other == _FREE:
        return one
    together: Ways = {}
    for facts, ways in one.items():
        for more, other_ways in other.items():
            together[facts | more] = min(2, together.get(facts | more, 0) + ways * other_ways)
    return together


def _sum(one: Ways, other: Ways) -> Ways:
    return {facts: min(2, one.get(facts, 0) + other.get(facts, 0)) for facts in one | other}


def _either(one: dict[int, Ways], other: dict[int, Ways]) -> dict[int, Ways]:
    """The union of two sets of positions; ways of a position that is in both add up."""
    kept = {position: ways for position, ways in other.items() if ways}
    if not kept:
        return one
    return one | {position: _sum(one.get(position, {}), ways) for position, ways in kept.items()}


_FREE: Ways = {0: 1}


def _least(ways: Ways) -> list[int]:
    """The facts of which none includes another that suffices."""
    return sorted(facts for facts in ways if not any(less != facts and less & facts == less for less in ways))


def _backwards(node: Node) -> Node:
    """The same asked of a text that is read from its end. Facts belong to places, whichever way they are passed."""
    if isinstance(node, Concat):
        return Concat(tuple(_backwards(item) for item in reversed(node.items)))
    if isinstance(node, Either):
        return Either(tuple(_backwards(branch) for branch in node.branches))
    if isinstance(node, Repeat):
        return Repeat(_backwards(node.body), node.least, node.most, node.is_possessive, node.start, node.end)
    if isinstance(node, Group | Atomic):
        return _backwards(node.body)
    return node


def _loops(automaton: Automaton) -> list[list[int]]:
    """Positions that can reach each other (strongly connected components, by Tarjan's algorithm without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    waiting: set[int] = set()
    found: list[list[int]] = []
    for root in range(len(automaton.sets)):
        work = [(root, iter(automaton.steps.get(root, ())))] if root not in index else []
        while work:
            here, targets = work[-1]
            if here not in index:
                index[here] = low[here] = len(index)
                stack.append(here)
                waiting.add(here)
            for target, _ in targets:
                if target not in index:
                    work.append((target, iter(automaton.steps.get(target, ()))))
                    break
                if target in waiting:
                    low[here] = min(low[here], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[here])
                if low[here] == index[here]:
                    place = stack.index(here)
                    found.append(stack[place:])
                    waiting -= set(stack[place:])
                    del stack[place:]
    return found


def _reads_in_several_ways(automaton: Automaton, part: set[int]) -> bool:
    """Whether two different ways through a loop lead from one place back to it and read the same characters.

    Two readers walk at once and read the same. They start at one place; once they have parted, can they meet again?
    """
    inside = {here: list(dict.fromkeys(target for target, _ in automaton.steps.get(here, ()) if target in part)) for here in part}
    if any((source, target) in automaton.several for source in part for target in inside[source]):
        return True
    shares: dict[tuple[int, int], bool] = {}

    def share(one: int, other: int) -> bool:
        key = (one, other) if one < other else (other, one)
        if key not in shares:
            shares[key] = overlap(automaton.sets[one], automaton.sets[other])
        return shares[key]

    waiting = [(place, place) for place in part]
    parted: set[tuple[int, int]] = set()
    while waiting:
        one, other = waiting.pop()
        for left in inside[one]:
            for right in inside[other]:
                if not share(left, right):
                    continue
                if left == right:
                    if one != other:
                        return True
                elif (left, right) not in parted:
                    parted.add((left, right))
                    waiting.append((left, right))
    return False
