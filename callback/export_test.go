package callback

import (
	"net/http"
	"net/netip"
	"time"
)

// Public is public, for tests.
func Public(address string) bool { return public(netip.MustParseAddr(address)) }

// Get dials whatever the URL says, past the check of the URL: what is left is the check of the address.
func (c *Client) Get(url string) (*http.Response, error) { return c.http.Get(url) }

// Reason is what is said about an error.
func Reason(err error) string { return reason(err) }

// Within makes the client less patient.
func (c *Client) Within(d time.Duration) *Client {
	c.timeout = d
	return c
}
