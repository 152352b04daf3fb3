"""A trust that would accept any certificate. (tests/collectors/hue/test_trust.py makes real connections.)"""

from pathlib import Path

import pytest

from runtime.tls import PrivateTrust, Trust


@pytest.mark.parametrize("trust", [Trust(), Trust(fingerprint=""), Trust(common_name="bridge"),
                                   Trust(ca_file=Path("ca.pem"))])
def test_a_trust_that_names_no_certificate_is_refused(trust: Trust) -> None:
    with pytest.raises(ValueError, match="neither an authority with a name nor a fingerprint"):
        PrivateTrust(trust)
