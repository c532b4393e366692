// Command temporal is an embedded Temporal server with its web UI, for
// development and tests: all services in one process, on loopback, without TLS
// or authorization, stored in PostgreSQL.
//
// It is a module of its own because the server's requirements must not enter
// the product's go.mod. It creates its databases, schema, namespace and search
// attributes at boot; each step finds its work already done at the next boot.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/temporal"
)

type settings struct {
	address     string // gRPC frontend, host:port
	uiAddress   string // empty: no UI
	httpAddress string // empty: no HTTP API
	internal    int    // history, matching and worker listen on this port and the two after it
	postgresURL string // host, user and password count, the database does not
	database    string // its name; visibility is stored beside it, in NAME_visibility
	namespace   string
	retention   time.Duration
	attributes  attributes
	logLevel    string
}

func main() {
	s := settings{attributes: attributes{}}
	flag.StringVar(&s.address, "address", "127.0.0.1:7233", "gRPC `address` of the frontend")
	flag.StringVar(&s.uiAddress, "ui-address", "", "`address` of the web UI; empty for none")
	flag.StringVar(&s.httpAddress, "http-address", "", "`address` of the HTTP API; empty for none; its host is --address's")
	flag.IntVar(&s.internal, "internal-port", 0, "first of three `port`s for the internal services; default the address's port + 1")
	flag.StringVar(&s.postgresURL, "postgres-url", "", "`URL` of the PostgreSQL server; its databases are created on it")
	flag.StringVar(&s.database, "database", "temporal", "`name` of the database; visibility goes to NAME_visibility")
	flag.StringVar(&s.namespace, "namespace", "default", "namespace to register")
	flag.DurationVar(&s.retention, "retention", 72*time.Hour, "retention of a new namespace")
	flag.Var(s.attributes, "search-attribute", "`Name=Type` to register; may be repeated (types: Keyword, KeywordList, Text, Int, Double, Bool, Datetime)")
	flag.StringVar(&s.logLevel, "log-level", "warn", "debug, info, warn or error")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: s.logLevel, Format: "console"}))
	if err := s.complete(); err != nil {
		return err
	}
	stores, err := dataStores(s.postgresURL, s.database)
	if err != nil {
		return err
	}
	if err := migrate(ctx, stores, logger); err != nil {
		return err
	}
	cfg, err := s.serverConfig(stores)
	if err != nil {
		return err
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(s.hosts()),
		temporal.WithDynamicConfigClient(dynamicConfig()),
		temporal.WithLogger(logger),
		temporal.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
		temporal.WithAuthorizer(noAuthorizer()),
		temporal.WithClaimMapper(noClaims),
	)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	if err := s.register(ctx); err != nil {
		return fmt.Errorf("%w (stop: %v)", err, server.Stop())
	}
	ui, uiFailed, err := s.startUI()
	if err != nil {
		return fmt.Errorf("%w (stop: %v)", err, server.Stop())
	}
	select {
	case <-ctx.Done():
	case err = <-uiFailed:
	}
	if ui != nil {
		ui.Stop()
	}
	if stopErr := server.Stop(); err == nil {
		err = stopErr
	}
	return err
}

// complete checks the addresses and fills in the internal ports.
func (s *settings) complete() error {
	if s.postgresURL == "" {
		return fmt.Errorf("--postgres-url is missing")
	}
	_, port, err := splitAddress(s.address)
	if err != nil {
		return err
	}
	if s.internal == 0 {
		s.internal = port + 1
	}
	listen := []string{s.address}
	for i := range 3 {
		listen = append(listen, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.internal+i)))
	}
	for _, address := range []string{s.uiAddress, s.httpAddress} {
		if address != "" {
			listen = append(listen, address)
		}
	}
	for _, address := range listen {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("%s is in use: choose another address or stop what uses it (%w)", address, err)
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port: %w", address, err)
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// attributes collects the search attributes to register: type by name.
type attributes map[string]string

func (a attributes) String() string { return "" }

func (a attributes) Set(text string) error {
	name, kind, ok := strings.Cut(text, "=")
	if !ok || name == "" || kind == "" {
		return fmt.Errorf("want Name=Type")
	}
	a[name] = kind
	return nil
}
