package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// refuse answers in the shape that clients know from a bad API key: {"error":{"code":401,"message":"..."}}.
func refuse(w http.ResponseWriter, code int, message string) {
	answer(w, code, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// refuseFor is refuse with the time to retry, rounded up to seconds.
func refuseFor(w http.ResponseWriter, retryAfter time.Duration, message string) {
	seconds := int64((retryAfter + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(max(1, seconds), 10))
	refuse(w, http.StatusTooManyRequests, message)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails
}

// notServed stands where a door is not configured.
func notServed(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusServiceUnavailable, "This is not served here.")
}
