def run(suite): pass
