package main

import (
	"net"
	"net/url"
	"strconv"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/primitives"
)

const (
	mainStore       = "temporal"
	visibilityStore = "temporal_visibility"
	clusterName     = "active"

	// Fixed when the database is created. Four are plenty for one process.
	historyShards = 4
)

// dataStores says how to reach the two databases. The connection limits hold
// for each of the four services.
func dataStores(serverURL, database string) (map[string]*config.SQL, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	attributes := map[string]string{}
	if mode := u.Query().Get("sslmode"); mode != "" {
		attributes["sslmode"] = mode
	}
	store := func(database string, connections int) *config.SQL {
		return &config.SQL{
			PluginName: postgresql.PluginNamePGX, ConnectProtocol: "tcp", ConnectAddr: u.Host,
			User: u.User.Username(), Password: password, DatabaseName: database, ConnectAttributes: attributes,
			MaxConns: connections, MaxIdleConns: connections, MaxConnLifetime: time.Hour,
		}
	}
	return map[string]*config.SQL{mainStore: store(database, 16), visibilityStore: store(database+"_visibility", 6)}, nil
}

func (s settings) serverConfig(stores map[string]*config.SQL) (*config.Config, error) {
	host, port, err := splitAddress(s.address)
	if err != nil {
		return nil, err
	}
	frontend := config.RPC{GRPCPort: port, BindOnIP: host}
	if s.httpAddress != "" {
		if _, frontend.HTTPPort, err = splitAddress(s.httpAddress); err != nil {
			return nil, err
		}
	}
	services := map[string]config.Service{string(primitives.FrontendService): {RPC: frontend}}
	for i, name := range internalServices() {
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: s.internal + i, BindOnIP: "127.0.0.1"}}
	}
	return &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: "127.0.0.1"}},
		Persistence: config.Persistence{
			DefaultStore: mainStore, VisibilityStore: visibilityStore, NumHistoryShards: historyShards,
			DataStores: map[string]config.DataStore{
				mainStore: {SQL: stores[mainStore]}, visibilityStore: {SQL: stores[visibilityStore]},
			},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: s.address},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchival{State: config.ArchivalDisabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: config.ArchivalDisabled},
		}},
		PublicClient: config.PublicClient{HostPort: s.address},
	}, nil
}

func internalServices() []primitives.ServiceName {
	return []primitives.ServiceName{primitives.HistoryService, primitives.MatchingService, primitives.WorkerService}
}

// hosts names the one host of each service, instead of gossip: nothing has to be
// joined at boot, and no stale member of a killed run is waited for.
func (s settings) hosts() map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: {Self: s.address, All: []string{s.address}},
	}
	for i, name := range internalServices() {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.internal+i))
		hosts[name] = static.Hosts{Self: address, All: []string{address}}
	}
	return hosts
}

// dynamicConfig replaces defaults that fit a cluster and not one process.
func dynamicConfig() dynamicconfig.Client {
	values := dynamicconfig.StaticClient{}
	set := func(setting dynamicconfig.GenericSetting, value any) { values[setting.Key()] = value }

	// A queue polls at most this often per second; the default of 20 costs every
	// hop of a workflow up to 50 ms.
	for _, setting := range []dynamicconfig.GenericSetting{
		dynamicconfig.TransferProcessorMaxPollRPS, dynamicconfig.TimerProcessorMaxPollRPS,
		dynamicconfig.VisibilityProcessorMaxPollRPS, dynamicconfig.OutboundProcessorMaxPollRPS,
	} {
		set(setting, 1000)
	}
	set(dynamicconfig.MatchingEnableFairness, true)

	// One busy namespace is all there is.
	set(dynamicconfig.FrontendMaxNamespaceRPSPerInstance, 20000)
	set(dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance, 500)
	set(dynamicconfig.FrontendGlobalWorkerDeploymentReadBurstRatio, 5000)

	// Fresh namespaces and search attributes are usable at once.
	set(dynamicconfig.NamespaceCacheRefreshInterval, time.Second)
	set(dynamicconfig.ForceSearchAttributesCacheRefreshOnRead, true)
	return values
}

func noAuthorizer() authorization.Authorizer { return authorization.NewNoopAuthorizer() }

func noClaims(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }
