package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// askWithin bounds a question to a dependency.
const askWithin = 2 * time.Second

// Health is the answer of /readyz.
type Health struct {
	Status       string             `json:"status"` // ready, or not ready
	Dependencies []DependencyHealth `json:"dependencies"`
}

// DependencyHealth is one dependency's part of it.
type DependencyHealth struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // what is wrong, for an operator
}

func (s *Server) healthRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		health, code := s.health(r.Context()), http.StatusOK
		if health.Status != "ready" {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, health)
	})
}

// health asks all dependencies side by side.
func (s *Server) health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	health := Health{Status: "ready", Dependencies: make([]DependencyHealth, len(s.cfg.Ready))}
	var asking sync.WaitGroup
	for i, dependency := range s.cfg.Ready {
		asking.Go(func() {
			health.Dependencies[i] = s.ask(ctx, dependency)
		})
	}
	asking.Wait()
	for _, d := range health.Dependencies {
		if !d.OK {
			health.Status = "not ready"
		}
	}
	return health
}

func (s *Server) ask(ctx context.Context, dependency Dependency) DependencyHealth {
	err := dependency.Check(ctx)
	if err == nil {
		return DependencyHealth{Name: dependency.Name, OK: true}
	}
	s.cfg.Log.WarnContext(ctx, "a dependency is away", "dependency", dependency.Name, "error", err)
	detail := "does not answer"
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		detail = coded.Message
	}
	return DependencyHealth{Name: dependency.Name, Detail: detail}
}
