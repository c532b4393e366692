package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"
)

const headerIdempotencyKey = "X-Idempotency-Key"

type idempotencyKey struct{}

// IdempotencyKey is the caller's X-Idempotency-Key, in its canonical form; empty if there is none.
func IdempotencyKey(ctx context.Context) string {
	key, _ := ctx.Value(idempotencyKey{}).(string)
	return key
}

// idempotent takes the key from the header. A malformed one is refused, or a retry would be a second payment.
func idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Values(headerIdempotencyKey)
		if len(given) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		key, err := uuid.Parse(given[0])
		const canonical = 36 // other spellings of a UUID are refused, so that there is one
		if err != nil || len(given) > 1 || len(given[0]) != canonical {
			refuse(w, http.StatusBadRequest, "X-Idempotency-Key is not a UUID. Send one, like 3f0c8a3e-5b1d-4c7e-9a52-0c6d1f1b2e4a.")
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), idempotencyKey{}, key.String())))
	})
}
