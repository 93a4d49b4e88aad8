"""Log-odds of terms in two groups of texts with an informative Dirichlet prior. No framework but numpy.

Monroe, Colaresi and Quinn, "Fightin' words: lexical feature selection and evaluation for identifying the content of political conflict",
Political Analysis 16, 2008, equations 16, 19 and 22. With y texts of n that hold a term in group i, and a prior of weight a_0 that holds
the term in a of its texts, as all texts together do:

    delta = log((y_i + a) / (n_i + a_0 - y_i - a)) - log((y_j + a) / (n_j + a_0 - y_j - a))
    variance = 1 / (y_i + a) + 1 / (y_j + a),    z = delta / sqrt(variance)

The prior draws rare terms towards no difference, so that a term in three texts of one group does not outrank one in hundreds. Texts are
counted, not occurrences: a text that says one word fifty times is one voice. Counts may be fractions: a text that is right with a
probability belongs to both groups.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PRIOR_TEXTS = 500.0
"""The weight a_0 of the prior, in texts: a word in one text of a hundred begins with five of them in each group (arbitrary, and not
critical)."""

LEAST_PRIOR = 0.01
"""Of a term's own prior, so that no logarithm is infinite."""


def log_odds_z(inside: Floats, outside: Floats, texts_inside: float, texts_outside: float, usual: Floats) -> Floats:
    """The z-score of each term: how surely it is more usual inside than outside.

    Args:
        inside: shape (terms,), the texts of the one group that hold each term.
        outside: the same for the other group.
        texts_inside: all texts of the one group.
        texts_outside: all texts of the other.
        usual: the share of all texts that hold each term: the informative prior.
    """
    prior = np.maximum(PRIOR_TEXTS * usual, LEAST_PRIOR)
    with_term, without_term = inside + prior, outside + prior
    odds_inside = with_term / np.maximum(texts_inside + PRIOR_TEXTS - with_term, LEAST_PRIOR)
    odds_outside = without_term / np.maximum(texts_outside + PRIOR_TEXTS - without_term, LEAST_PRIOR)
    return np.log(odds_inside / odds_outside) / np.sqrt(1 / with_term + 1 / without_term)
