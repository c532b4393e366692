package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"google.golang.org/grpc"

	"github.com/holdfast-pay/holdfast/payment"
)

// Server is what runs: three listeners.
type Server struct {
	cfg     Config
	http    *http.Server
	metrics *http.Server

	httpListener, grpcListener, metricsListener net.Listener

	serving  sync.WaitGroup
	failed   chan error // a listener that ended by itself
	stopping context.Context
	stop     context.CancelFunc
	sockets  sync.WaitGroup // WebSockets, which http.Server forgets

	readiness readiness
	proven    *provenCredentials
}

// Run serves until ctx ends, then drains and stops. An error means that it could not serve.
func Run(ctx context.Context, cfg Config) error {
	server, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-server.failed:
	}
	return errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
}

// Start listens and serves in the background. The caller stops the server.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, failed: make(chan error, 3), proven: newProvenCredentials()}
	s.stopping, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.listen(context.WithoutCancel(ctx)); err != nil {
		return nil, errors.Join(err, s.closeListeners())
	}
	s.http = s.newHTTP(s.routes())
	s.serve(func() error { return s.http.Serve(s.boundedListener(s.httpListener, cfg.Limits.Connections)) })
	if s.metricsListener != nil {
		s.metrics = s.newHTTP(s.metricsRoutes())
		s.serve(func() error { return s.metrics.Serve(s.metricsListener) })
	}
	if s.grpcListener != nil {
		s.serve(func() error {
			return s.cfg.GRPCServer.Serve(s.boundedListener(s.grpcListener, cfg.Limits.GRPCConnections))
		})
	}
	cfg.Log.Info("api serves", "http", s.HTTPAddress(), "grpc", s.GRPCAddress(), "metrics", s.MetricsAddress())
	return s, nil
}

func (s *Server) listen(ctx context.Context) error {
	for _, l := range []struct {
		address string
		into    *net.Listener
	}{{s.cfg.HTTP, &s.httpListener}, {s.cfg.GRPC, &s.grpcListener}, {s.cfg.Metrics, &s.metricsListener}} {
		if l.address == "" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.address)
		if err != nil {
			return cannotListen(l.address, err)
		}
		*l.into = listener
	}
	return nil
}

func cannotListen(address string, cause error) error {
	return payment.Errorf(payment.ReasonInvalidInput,
		"The address %s cannot be listened on. Stop what uses it, or configure another.", address).Because(cause)
}

// newHTTP bounds in time what a client may take: see Limits.
func (s *Server) newHTTP(handler http.Handler) *http.Server {
	limits := s.cfg.Limits
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: limits.HeaderTime,
		ReadTimeout:       limits.ReadTime,
		WriteTimeout:      limits.WriteTime,
		IdleTimeout:       limits.IdleTime,
		MaxHeaderBytes:    limits.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug), // clients that break off are no event
	}
}

func (s *Server) serve(serve func() error) {
	s.serving.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
			s.failed <- err
		}
	})
}

// Stop takes no more connections, lets what runs end within Limits.DrainTime, and closes the rest. It answers when
// nothing runs any more.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Limits.DrainTime)
	defer cancel()
	s.stop() // subscriptions end now: they would never end by themselves
	var draining sync.WaitGroup
	draining.Go(func() { s.drainHTTP(ctx) })
	draining.Go(func() { s.drainGRPC(ctx) })
	draining.Wait()
	var err error
	if s.metrics != nil { // last, so that the end can be watched
		err = s.metrics.Close()
	}
	s.serving.Wait()
	s.cfg.Log.Info("api stopped")
	return err
}

func (s *Server) drainHTTP(ctx context.Context) {
	if err := s.http.Shutdown(ctx); err != nil {
		s.cfg.Log.Warn("requests were cut off", "why", err)
		_ = s.http.Close() // what is left has had its time
	}
	done := make(chan struct{})
	go func() { s.sockets.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.cfg.Log.Warn("subscriptions were left open")
	}
}

func (s *Server) drainGRPC(ctx context.Context) {
	if s.grpcListener == nil {
		return
	}
	cut := context.AfterFunc(ctx, s.cfg.GRPCServer.Stop)
	s.cfg.GRPCServer.GracefulStop()
	cut()
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, l := range []net.Listener{s.httpListener, s.grpcListener, s.metricsListener} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// HTTPAddress is where HTTP is served, host:port.
func (s *Server) HTTPAddress() string { return addressOf(s.httpListener) }

// GRPCAddress is where gRPC is served; empty if it is not.
func (s *Server) GRPCAddress() string { return addressOf(s.grpcListener) }

// MetricsAddress is where metrics are served; empty if they are not.
func (s *Server) MetricsAddress() string { return addressOf(s.metricsListener) }

func addressOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}
