package limit

import (
	"context"
	"net/netip"
	"time"
)

// Limiter says whether a subject may do one more thing of a class now; if not, in how long it may.
type Limiter interface {
	Allow(ctx context.Context, class, subject string) (retryAfter time.Duration, ok bool)
	// Peek answers what Allow would, and takes nothing.
	Peek(ctx context.Context, class, subject string) (retryAfter time.Duration, ok bool)
}

// Classes of what is limited.
const (
	Payments    = "payments"  // sends, fee probes and estimates
	Invoices    = "invoices"  // creating them
	Addresses   = "addresses" // creating them
	Accounts    = "account"   // changes to accounts and API keys, canceling invoices
	Logins      = "logins"    // by address
	Reads       = "reads"
	Anonymous   = "anonymous"   // calls without credentials, by address
	Credentials = "credentials" // calls whose credentials prove nothing, by address
)

// Account is the subject of an account.
func Account(id string) string { return "account:" + id }

// Key is the subject of an API key.
func Key(id string) string { return "key:" + id }

// ClientOf names the client at an address: one with IPv6 is its /64, of which it has all.
func ClientOf(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if network, err := address.Prefix(64); err == nil && address.Is6() {
		return network.String()
	}
	return address.String()
}

// Address is the subject of a client's address: see ClientOf.
func Address(ip string) string { return "address:" + ip }
