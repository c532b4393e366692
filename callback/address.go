package callback

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/holdfast-pay/holdfast/payment"
)

// CheckURL refuses what could never be called, when somebody names it. inside also allows http and addresses of this machine
// and its network: for development. Errors: ReasonInvalidInput.
func CheckURL(text string, inside bool) error {
	at, err := url.Parse(text)
	switch {
	case err != nil || at.Hostname() == "" || at.User != nil || at.Scheme != "https" && at.Scheme != "http":
		return payment.Errorf(payment.ReasonInvalidInput, "This is no web address that can be called. Use one like https://shop.example/hook.")
	case inside:
		return nil
	case at.Scheme != "https":
		return payment.Errorf(payment.ReasonInvalidInput, "Only https:// addresses are called. Serve the endpoint over TLS.")
	}
	host := strings.TrimSuffix(strings.ToLower(at.Hostname()), ".")
	address, err := netip.ParseAddr(host)
	if err == nil && !public(address) || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return payment.Errorf(payment.ReasonInvalidInput, "This address is not on the public internet. Use one that can be reached from there.")
	}
	return nil
}

// reserved are networks beyond those that netip knows: of providers, of documentation and benchmarks, and those that carry an
// IPv4 address within, which would lead around the check.
func reserved() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
		netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
	}
}

// public reports whether an address is somebody's on the internet.
func public(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if !address.IsGlobalUnicast() || address.IsPrivate() {
		return false // loopback, link-local, multicast, unspecified; 10/8, 172.16/12, 192.168/16, fc00::/7
	}
	for _, network := range reserved() {
		if network.Contains(address) {
			return false
		}
	}
	return true
}
