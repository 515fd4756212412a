"""What every decoder does with bytes that nobody meant for it (decision 25).

target.py     one decoder: its seeds, the call, its refusals; and the judge of one input
mutate.py     inputs near those that are accepted
targets/      the table, by whose door it is
seeds/        inputs that once broke something, by target; and examples that are hard to make
test_*.py     a slice of seconds, in every run of the tests
__main__.py   as long as one likes: `make fuzz`
"""
