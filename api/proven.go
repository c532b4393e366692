package api

import (
	"crypto/sha256"
	"net/http"

	lru "github.com/hashicorp/golang-lru/v2"
)

// mostProven credentials are remembered, about 150 bytes each.
const mostProven = 20_000

// provenCredentials are those that were good when they were last looked up. They are looked up again at every request: being
// known only spares them the suspicion that somebody else raised against their address. It is kept by hash.
type provenCredentials struct {
	cache *lru.Cache[[32]byte, struct{}]
}

func newProvenCredentials() *provenCredentials {
	cache, err := lru.New[[32]byte, struct{}](mostProven)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return &provenCredentials{cache}
}

func (p *provenCredentials) note(header http.Header) { p.cache.Add(shownBy(header), struct{}{}) }

// forget makes credentials that are no longer good unknown again.
func (p *provenCredentials) forget(header http.Header) { p.cache.Remove(shownBy(header)) }

func (p *provenCredentials) known(header http.Header) bool { return p.cache.Contains(shownBy(header)) }

func shownBy(header http.Header) [32]byte {
	return sha256.Sum256([]byte(header.Get("X-Api-Key") + "\n" + header.Get("Authorization")))
}
