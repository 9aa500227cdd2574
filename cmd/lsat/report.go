package main

import "github.com/spf13/cobra"

func init() { commands = append(commands, newReportCommand) }

func newReportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "report RUN",
		Short:   "Write the tables and the page of a run directory again",
		Long:    "Reads RUN/results.sqlite, prints the table, and writes results.md, results.csv, results.tex and report.html in RUN. A study that is not finished is reported as far as it is.",
		Example: "  lsat report runs/demo",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return tellReport(args[0], cmd.OutOrStdout()) },
	}
}
