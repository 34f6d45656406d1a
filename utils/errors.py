"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Something a person gave to this project cannot be used.

    The message is the whole help there is: what was done, where, what was found, what was
    expected and what to do next. Jupyter shows it without a traceback, because the traceback
    would speak of our code while the fault lies in the input.
    """

    def _render_traceback_(self):  # the hook by which IPython lets an error print itself
        return [f"{type(self).__name__}: {self}"]
