package codec

import (
	"net/http"
	"slices"

	"go.temporal.io/sdk/converter"
)

// maxBody bounds what a page of the Temporal UI asks to have opened at once, in bytes.
const maxBody = 32 << 20

// Handler opens payloads for the Temporal UI: POST /decode, called by browsers from the origins that are named.
func (k Keys) Handler(origins []string) http.Handler {
	mux := http.NewServeMux()
	opening := converter.NewPayloadCodecHTTPHandler(k)
	mux.HandleFunc("POST /decode", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		opening.ServeHTTP(w, r)
	})
	mux.HandleFunc("OPTIONS /decode", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin")
		w.Header().Set("Cache-Control", "no-store")
		origin := r.Header.Get("Origin")
		if origin != "" && !slices.Contains(origins, origin) {
			http.Error(w, "this origin may not ask", http.StatusForbidden)
			return
		}
		if origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Credentials", "true") // a proxy in front may ask for its cookie
			w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
		}
		mux.ServeHTTP(w, r)
	})
}
