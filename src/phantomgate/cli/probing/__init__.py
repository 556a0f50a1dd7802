"""What `phantomgate probe` does, apart from its words.

    given     what we were given to try with
    said      what the server says of itself, read as the words of a stranger                     pure
    survey    asks for that, and for the keys                                                     calls the server
    ways      what may be tried: how to show who we are, how to make sure of tokens, what is best  pure
    written   each of these as settings                                                           pure
    trials    tries settings: they are loaded, wired and asked as `serve` would                   calls the server
    finding   all of it in order, and what came of it

Rule: what is recommended is the text that was tried, letter by letter. Nothing secret is in what is found.
"""
