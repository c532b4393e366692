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
		ctx := context.WithoutCancel(r.Context()) // others wait for the answer too
		health := s.readiness.within(s.cfg.Limits.HealthTime, func() Health { return s.health(ctx) })
		code := http.StatusOK
		if health.Status != "ready" {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, health)
	})
}

// readiness is the last answer of all dependencies. Whoever asks is given it while it is fresh, so that any number of callers
// costs no more than one.
type readiness struct {
	mu    sync.Mutex
	last  Health
	until time.Time
}

// within answers what is known, or asks; meanwhile others wait, for at most askWithin.
func (r *readiness) within(fresh time.Duration, ask func() Health) Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !time.Now().Before(r.until) {
		r.last = ask()
		r.until = time.Now().Add(fresh)
	}
	return r.last
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
