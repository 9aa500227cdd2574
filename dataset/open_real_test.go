package dataset_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"lsat/dataset"
)

// shared finds a folder of the data that lies beside the repository; the tests on it are skipped where it is not.
func shared(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join("..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("the published data set is not here: %v", err)
	}
	return path
}

func BenchmarkOpenML1M(b *testing.B) {
	path := shared(b, "ml-1m")
	for b.Loop() {
		if _, err := dataset.Open(context.Background(), path, dataset.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
