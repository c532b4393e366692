package devnet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// temporalReady reports an error until the namespace can be used with all search
// attributes: a query over them only works once every cache knows them.
func temporalReady(ctx context.Context, address string, attributes map[string]string) error {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing is lost with it
	conditions := []string{}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		conditions = append(conditions, name+" IS NULL")
	}
	_, err = workflowservice.NewWorkflowServiceClient(conn).CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: "default", Query: strings.Join(conditions, " AND "),
	})
	if err != nil {
		return fmt.Errorf("namespace default: %w", err)
	}
	return nil
}
