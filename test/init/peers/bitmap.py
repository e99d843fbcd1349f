"""What tini's inner tests use of the PyPI package `bitmap`, which Debian does not have."""


class BitMap:
    def __init__(self, bits):
        self._bits = bits

    @classmethod
    def fromstring(cls, digits):
        return cls([digit == "1" for digit in reversed(digits)])

    def nonzero(self):
        return [index for index, bit in enumerate(self._bits) if bit]
