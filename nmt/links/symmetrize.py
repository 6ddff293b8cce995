"""One alignment of two: what source to target and target to source say together.

Koehn, Och and Marcu 2003, section 4.5; Koehn et al. 2005, section 3. `forward` has been found from
the source's model and `backward` from the other direction's; both hold (source word, target word).
"""

from collections.abc import Callable

from nmt.links.links import Links, by_target

NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def intersection(forward: Links, backward: Links) -> Links:
    """Return what both say: few links, most of them right."""
    return forward & backward


def union(forward: Links, backward: Links) -> Links:
    """Return what either says: many links, some of them wrong."""
    return forward | backward


def grow_diag_final_and(forward: Links, backward: Links) -> Links:
    """Begin with the intersection, grow along neighbours in the union, then cover lone words.

    grow-diag: a link of the union beside a link (a diagonal counts) is taken while one of its words
    has no link yet. final-and: a link of either direction is taken where neither word has one.
    """
    links = set(forward & backward)
    sources, targets = {i for i, _ in links}, {j for _, j in links}

    def take(link: tuple[int, int]) -> None:
        links.add(link)
        sources.add(link[0])
        targets.add(link[1])

    either = forward | backward
    grown = True
    while grown:
        grown = False
        for i, j in sorted(either, key=by_target):
            if (i, j) not in links:
                continue
            for up, right in NEIGHBOURS:
                new = i + up, j + right
                lone = new[0] not in sources or new[1] not in targets
                if new in either and new not in links and lone:
                    take(new)
                    grown = True
    for direction in (forward, backward):
        for link in sorted(direction, key=by_target):
            if link[0] not in sources and link[1] not in targets:
                take(link)
    return frozenset(links)


SYMMETRIZATIONS: dict[str, Callable[[Links, Links], Links]] = {
    "intersection": intersection,
    "union": union,
    "grow-diag-final-and": grow_diag_final_and,
}
