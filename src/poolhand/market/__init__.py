"""The market: a book of signed orders over HTTP that follows the chain, as iExec's own has it."""
