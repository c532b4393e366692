package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/holdfast-pay/holdfast/api/limit"
)

type clientAddressKey struct{}

// ClientAddress is where a request came from, for limits: see limit.ClientOf.
func ClientAddress(ctx context.Context) string {
	address, _ := ctx.Value(clientAddressKey{}).(string)
	return address
}

// located notes where a request comes from.
func (s *Server) located(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientAddressKey{}, s.clientAddress(r))))
	})
}

// clientAddress is the peer, or what a trusted proxy says about it.
func (s *Server) clientAddress(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	address := peer.Addr().Unmap()
	// From the right: each proxy appends the peer that it saw, and a client may have written anything before.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !s.trusted(address) {
			break
		}
		seen, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = seen.Unmap()
	}
	return limit.ClientOf(address)
}

func (s *Server) trusted(address netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}
