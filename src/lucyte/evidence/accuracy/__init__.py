"""Of the answers: are they right, by which measure, and right enough for what they are for?"""
