"""How many decimals the minor unit of a currency has (ISO 4217; those not named here have two)."""

from __future__ import annotations

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_DECIMALS = {code: digits for digits, codes in ((0, _NONE), (3, _THREE), (4, _FOUR)) for code in codes.split()}


def minor_units(currency: str) -> int:
    """Decimals of a currency's minor unit.

    >>> minor_units("EUR"), minor_units("JPY"), minor_units("KWD")
    (2, 0, 3)
    """
    return _DECIMALS.get(currency, 2)
