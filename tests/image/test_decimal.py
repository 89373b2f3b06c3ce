"""Decimal arithmetic in C.

Without _decimal, decimal falls back to an implementation in Python that is some hundred times slower.
"""

import decimal
import unittest
from decimal import Decimal


class DecimalTest(unittest.TestCase):
    def test_is_the_c_implementation(self):
        """decimal uses _decimal, which is based on libmpdec."""
        import _decimal

        self.assertIs(decimal.Decimal, _decimal.Decimal)
        self.assertTrue(decimal.__libmpdec_version__)

    def test_results_are_exact(self):
        """Sums, quotients, powers and roots have the correct digits."""
        self.assertEqual(Decimal("0.1") + Decimal("0.2"), Decimal("0.3"))
        with decimal.localcontext() as context:
            context.prec = 50
            self.assertEqual(str(Decimal(1) / 7), "0.14285714285714285714285714285714285714285714285714")
            self.assertEqual(str(Decimal(2).sqrt()), "1.4142135623730950488016887242096980785696718753769")
            self.assertEqual(Decimal(2) ** 100, 1267650600228229401496703205376)
        self.assertEqual(Decimal("2.675").quantize(Decimal("0.01"), decimal.ROUND_HALF_EVEN), Decimal("2.68"))
        with self.assertRaises(decimal.DivisionByZero):
            Decimal(1) / 0

    def test_many_digits(self):
        """Large numbers, which libmpdec multiplies by the number theoretic transform, give the correct product."""
        with decimal.localcontext() as context:
            context.prec = 40000
            number = Decimal("9" * 20000)
            self.assertEqual(number * number, Decimal("9" * 19999 + "8" + "0" * 19999 + "1"))


if __name__ == "__main__":
    unittest.main()
