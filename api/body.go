package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
)

// bounded reads the body before anything else happens, so that a slow client holds a connection and no more.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.Limits.BodyBytes))
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			refuse(w, http.StatusRequestEntityTooLarge, "The request is too large.")
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.Header().Set("Connection", "close")
			refuse(w, http.StatusRequestTimeout, "The request did not arrive in time.")
			return
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "The request was cut off.")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// onlyPost refuses every other method.
func onlyPost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, "Use POST.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onlyJSON refuses other content, which a web form could send from a foreign page.
func onlyJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" {
			refuse(w, http.StatusUnsupportedMediaType, "Send Content-Type: application/json.")
			return
		}
		next.ServeHTTP(w, r)
	})
}
