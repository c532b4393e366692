package graphqlapi

//go:generate go tool -modfile=../../tools/gqlgen/go.mod gqlgen generate --config gqlgen.yml
