package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// machine is what a figure depends on besides the programs.
type machine struct {
	CPU    string   `json:"cpu"`
	Cores  int      `json:"cores"`
	Sets   []string `json:"instruction_sets"`
	Memory string   `json:"memory"`
	OS     string   `json:"os"`
	// GPU is what all compute on, where they do; with its driver.
	GPU string `json:"gpu,omitempty"`
}

// telling are the instruction sets that decide how fast a processor multiplies matrices.
var telling = []string{"avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni",
	"amx_tile", "amx_bf16", "amx_int8", "asimd", "sve", "bf16", "i8mm"}

// thisMachine describes the machine as /proc has it; what cannot be read stays empty.
func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU, m.Sets = readCPU(string(text))
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.Memory = strings.Join(strings.Fields(field(string(text), "MemTotal")), " ")
	}
	return m
}

// gpu names the machine's GPUs as the driver does; empty where it cannot be asked.
func gpu(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").Output()
	if err != nil {
		return ""
	}
	return strings.Join(strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), "; ")
}

func readCPU(text string) (model string, sets []string) {
	model = field(text, "model name")
	flags := strings.Fields(field(text, "flags") + " " + field(text, "Features"))
	for _, s := range telling {
		if slices.Contains(flags, s) {
			sets = append(sets, s)
		}
	}
	return model, sets
}

// field is the first value of a key in text of "key: value" lines.
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
