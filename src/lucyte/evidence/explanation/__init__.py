"""Of the explanations: do they say what the model does?"""
