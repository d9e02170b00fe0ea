"""Each answer to a "What if" of the README and of jobs/README.md is tried by a test, which is named here."""

import re

import pytest

from tests.documents import JOBS, ROOT, section

README = (ROOT / "README.md").read_text(encoding="utf-8")
SCENARIOS, UNIT = "tests/scenarios/test_command_", "tests/unit/test_"
PROPERTY, INTEGRATION = "tests/property/test_", "tests/integration/test_"
ANSWERS: dict[str, tuple[str, ...]] = {
    "it was killed": (f"{SCENARIOS}kills.py::test_ten_kills_at_random_cost_nothing",),
    "I press Ctrl-C": (
        f"{SCENARIOS}signals.py::test_the_first_signal_lets_requests_in_flight_end",
        f"{SCENARIOS}signals.py::test_ctrl_c_at_a_terminal_lets_the_run_end_cleanly",
        f"{SCENARIOS}signals.py::test_a_signal_while_it_plans_leaves_nothing_behind",
        f"{SCENARIOS}environment.py::test_term_ends_the_first_process_of_a_container",
        f"{UNIT}run_drain.py::test_what_a_signal_does_not_end_in_time_is_left_in_doubt_and_named",
    ),
    "the network fails": (
        f"{SCENARIOS}apply.py::test_nobody_at_the_endpoint_ends_with_1",
        f"{SCENARIOS}apply.py::test_a_fleet_that_cannot_be_listed_just_before_the_first_put_ends_with_5",
        f"{UNIT}run.py::test_a_lane_that_nobody_answers_in_keeps_no_other_from_finishing",
    ),
    "the API throttles": (
        f"{SCENARIOS}apply.py::test_being_too_fast_costs_time_and_no_row",
        f"{SCENARIOS}apply.py::test_auto_finds_the_limit_and_the_next_run_begins_with_it",
    ),
    "an answer is lost": (
        f"{SCENARIOS}apply.py::test_an_answer_lost_after_it_took_effect_is_found_out_by_reading",
        f"{SCENARIOS}apply.py::test_a_request_lost_before_it_took_effect_is_sent_again",
        f"{SCENARIOS}apply.py::test_a_third_state_is_a_conflict_for_a_person",
        f"{SCENARIOS}apply.py::test_rows_that_cannot_be_read_back_stay_in_doubt_with_11",
    ),
    "a row is wrong": (
        f"{SCENARIOS}apply.py::test_an_invalid_job_ends_with_3_and_sends_nothing",
        f"{SCENARIOS}apply.py::test_some_failed_rows_end_with_4_and_the_others_are_applied",
    ),
    "the rows that failed": (
        f"{SCENARIOS}look.py::test_what_failed_can_be_cut_out_of_the_csv_and_applied_again",
    ),
    "somebody else changed a service": (
        f"{SCENARIOS}apply.py::test_a_service_that_moved_since_the_plan_is_not_sent",
        f"{SCENARIOS}apply.py::test_strict_stops_at_one_that_moved_with_7",
        f"{UNIT}run.py::test_a_wall_clock_that_jumps_ends_what_looks_are_worth",
    ),
    "two runs of a job start at once": (
        f"{SCENARIOS}signals.py::test_the_second_of_two_runs_at_once_ends_with_8",
        f"{SCENARIOS}run.py::test_one_job_under_two_names_is_one_run_at_a_time",
    ),
    "the disk is full": (f"{SCENARIOS}apply.py::test_a_full_disk_stops_the_run_with_1_and_nothing_is_lost",),
    "the secret is wrong or revoked": (
        f"{SCENARIOS}keys.py::test_a_wrong_key_is_one_bad_signature_in_eight_regions",
        f"{SCENARIOS}apply.py::test_credentials_revoked_during_the_run_stop_it_with_1",
        f"{SCENARIOS}apply.py::test_a_token_that_ends_during_the_run_is_renewed",
    ),
    "the window ends": (f"{SCENARIOS}apply.py::test_a_window_that_ends_during_the_run_ends_with_10",),
    "the run was stopped by a limit": (
        f"{SCENARIOS}despite.py::test_a_stopped_run_sends_nothing_more_whoever_tries_again",
        f"{SCENARIOS}despite.py::test_a_person_lifts_the_stop_and_is_on_record",
        f"{SCENARIOS}despite.py::test_nothing_saved_is_a_way_around_a_stop",
        f"{SCENARIOS}despite.py::test_a_stopped_run_is_rolled_back_without_a_word",
    ),
    "I want to try a few services first": (
        f"{SCENARIOS}apply.py::test_a_canary_that_lives_lets_the_others_go",
        f"{SCENARIOS}apply.py::test_a_canary_that_dies_stops_the_run_with_6",
        f"{SCENARIOS}waves.py::test_waves_go_one_after_the_other_and_each_is_on_record",
        f"{SCENARIOS}waves.py::test_a_bad_wave_stops_the_run_until_a_person_lets_the_next_one_go",
    ),
    "the change has to be undone": (
        f"{SCENARIOS}rollback.py::test_applied_and_taken_back_is_as_it_was",
        f"{SCENARIOS}rollback.py::test_what_somebody_changed_since_is_left_alone",
        f"{SCENARIOS}rollback.py::test_a_run_that_was_rolled_back_in_part_is_not_gone_on_with_either",
    ),
    "I want to slow down, pause or stop a run at work": (
        f"{SCENARIOS}tell.py::test_a_pause_holds_a_run_until_its_end_and_everything_shows_it",
        f"{SCENARIOS}tell.py::test_a_pause_lasts_over_the_death_of_sessions",
        f"{SCENARIOS}tell.py::test_a_stop_ends_with_6_and_stays_so_until_a_person_lifts_it",
        f"{SCENARIOS}tell.py::test_what_only_holds_back_is_kept_for_the_next_session_and_nothing_else_is",
        f"{SCENARIOS}tell.py::test_what_cannot_be_taken_is_refused_and_not_written",
        f"{UNIT}attending.py::test_without_a_window_a_session_waits_12_h_for_the_end_of_a_pause",
        f"{UNIT}run_words.py::test_what_a_parked_service_waits_for_is_finished_first",
    ),
    "the file is not what it seems": (
        f"{UNIT}files.py::test_a_workbook_is_to_be_saved_as_csv",
        "tests/scenarios/test_bad_jobs.py::test_check_tells_a_bad_job_and_ends_with_3",
    ),
    "a formula in the sheet went wrong": (
        "tests/scenarios/test_bad_jobs.py::test_check_tells_a_bad_job_and_ends_with_3",
    ),
    "ten thousand rows are wrong": (
        f"{SCENARIOS}check.py::test_ten_thousand_bad_rows_of_one_kind_are_one_line",
    ),
    "the job comes from a pipe": (f"{SCENARIOS}input.py::test_no_row_of_a_pipe_is_lost",),
    "somebody saves the job file": (
        f"{UNIT}files.py::test_a_file_that_is_changed_while_it_is_read_is_not_used",
    ),
    "two job files have one name": (
        f"{SCENARIOS}names.py::test_jobs_of_one_name_in_one_folder_have_runs_of_their_own",
    ),
    "the file system has no locks": (
        "tests/integration/test_locks.py::test_a_ledger_whose_lock_cannot_be_trusted_is_not_worked_on",
    ),
    "`runs/` is removed": (
        f"{SCENARIOS}run.py::test_a_run_whose_ledger_is_gone_sends_no_further_put",
        "tests/integration/test_ledger_file.py::test_a_file_that_somebody_else_touched_is_written_to_no_more",
    ),
    "this machine runs out of open files": (
        f"{SCENARIOS}open_files.py::test_a_run_with_too_many_requests_for_its_open_files_ends_as_asked",
        f"{SCENARIOS}open_files.py::test_a_command_that_may_open_too_few_files_ends_at_once",
    ),
    "the API asks to be left alone": (
        f"{SCENARIOS}push_back.py::test_a_wait_that_the_api_asks_for_is_kept_and_costs_no_try",
        f"{SCENARIOS}push_back.py::test_a_put_that_is_to_wait_for_years_stops_the_run_and_says_until_when",
    ),
    "a worker, its host or NATS dies": (
        f"{INTEGRATION}workers.py::test_another_worker_takes_over",
        f"{INTEGRATION}workers.py::test_the_same_put_is_not_sent_twice_and_one_that_was_given_up_not_at_all",
    ),
    "a policy denies one service": (
        f"{UNIT}run_limits.py::test_a_service_that_a_policy_denies_fails_alone",
        f"{UNIT}run_limits.py::test_a_key_that_may_change_nothing_stops_at_the_third_403",
    ),
    "the job is wrong from its first row on": (
        f"{SCENARIOS}despite.py::test_ten_wrong_rows_stop_a_job_that_has_no_limit",
        f"{SCENARIOS}apply.py::test_too_many_failures_stop_the_run_with_6",
    ),
    "a PUT changes what no row asked for": (
        f"{SCENARIOS}despite.py::test_a_side_effect_that_a_person_allowed_stops_nothing_more",
        f"{SCENARIOS}despite.py::test_a_rollback_takes_a_side_effect_back_too",
    ),
    "the ledger is damaged": (
        f"{SCENARIOS}look.py::test_a_damaged_ledger_is_refused_with_its_line",
        f"{SCENARIOS}run.py::test_a_damaged_latest_ledger_is_refused_with_a_way_out_that_works",
    ),
    "the job file changed while its run is open": (
        f"{SCENARIOS}apply.py::test_a_job_file_that_changed_does_not_go_on",
        f"{SCENARIOS}apply.py::test_another_limit_does_not_go_on_with_the_open_run",
        f"{SCENARIOS}apply.py::test_a_new_run_leaves_the_open_one_as_it_is",
    ),
    "I edit settings while a run is open": (
        f"{SCENARIOS}edits.py::test_every_setting_is_taken_and_noted_or_refused_or_without_effect",
        f"{SCENARIOS}edits.py::test_a_new_run_has_the_new_guards",
        f"{SCENARIOS}edits.py::test_a_flag_holds_where_the_next_command_leaves_it_out",
    ),
    "the clock of this machine was wrong": (
        f"{SCENARIOS}run.py::test_a_run_that_a_wrong_clock_stamped_hides_no_open_one",
        f"{SCENARIOS}run.py::test_no_finished_run_hides_an_open_one_from_apply",
        f"{SCENARIOS}run.py::test_an_open_run_is_left_for_good_by_one_decision",
        f"{SCENARIOS}run.py::test_no_finished_run_hides_an_open_one_from_status_and_rollback",
    ),
    "the clocks are changed while the window is open": (
        f"{PROPERTY}windows.py::test_a_night_in_which_the_clocks_are_changed_is_an_hour_shorter_or_longer",
        f"{SCENARIOS}apply.py::test_a_zone_that_is_not_known_is_refused_where_a_window_needs_it",
    ),
    "the window is about to end": (
        f"{UNIT}run_window.py::test_in_the_spare_nothing_begins_and_the_last_look_is_made",
        f"{UNIT}run_window.py::test_a_put_that_a_parked_service_waits_for_is_sent_after_the_end_and_noted",
        f"{UNIT}run_window.py::test_a_ring_begins_only_if_it_can_end_in_time",
    ),
    "I am there before the window opens": (
        f"{SCENARIOS}window.py::test_a_run_that_waits_sends_nothing_before_the_opening_and_begins_at_once",
        f"{SCENARIOS}window.py::test_a_signal_ends_the_waiting_with_nothing_sent",
    ),
    "somebody sent me a job": (
        f"{SCENARIOS}hosts.py::test_an_address_in_a_job_file_alone_gets_no_credentials",
    ),
    "a server repeats my key": (
        f"{SCENARIOS}secrets.py::test_what_a_server_repeats_is_nowhere",
        f"{SCENARIOS}terminal.py::test_no_text_from_outside_steers_a_terminal",
        f"{SCENARIOS}terminal.py::test_data_steers_no_terminal_either_and_is_whole_in_a_file",
    ),
    "somebody put a link": (
        f"{UNIT}new_file.py::test_what_is_planted_where_a_file_is_to_be_written_is_refused_by_name",
        f"{UNIT}new_file.py::test_what_a_dead_process_left_half_written_is_taken_away",
    ),
    "my shell has variables for other tools": (
        f"{SCENARIOS}hosts.py::test_a_variable_that_may_mean_another_account_is_refused_before_anything_leaves",
    ),
    "I want to see beforehand what a kill would do": (
        f"{INTEGRATION}rehearse.py::test_a_plan_with_a_swap_is_rehearsed_and_nothing_of_it_is_touched",
    ),
    "a variable is empty": (
        f"{SCENARIOS}settings.py::test_an_empty_variable_is_refused_as_an_empty_flag_is",
        f"{SCENARIOS}settings.py::test_a_variable_that_is_nearly_known_is_refused",
        f"{SCENARIOS}settings.py::test_other_variables_are_named_once_and_stop_nothing",
    ),
    "the terminal does not speak UTF-8": (
        f"{SCENARIOS}environment.py::test_an_encoding_that_lacks_a_character_stops_nothing",
        f"{SCENARIOS}environment.py::test_a_csv_for_excel_begins_with_a_mark",
    ),
    "it runs in a container": (
        f"{SCENARIOS}environment.py::test_a_user_without_home_and_name_can_apply",
        f"{SCENARIOS}environment.py::test_a_read_only_job_is_applied_with_its_ledger_elsewhere",
    ),
    "I pipe it into `head`": (
        f"{SCENARIOS}environment.py::test_a_reader_that_goes_away_leaves_the_exit_code_as_it_is",
        f"{SCENARIOS}environment.py::test_a_full_disk_for_the_result_is_said_before_anything_is_sent",
    ),
    "every line on stderr": (
        f"{SCENARIOS}logs.py::test_every_line_of_a_run_is_json_and_names_the_service_of_a_row",
        f"{SCENARIOS}logs.py::test_what_is_wrong_is_said_as_json_too",
    ),
    "there is a proxy": (
        f"{UNIT}proxies.py::test_the_proxy_of_an_endpoint",
        f"{UNIT}proxies.py::test_a_proxy_that_cannot_be_used_is_refused_by_its_variable",
        f"{UNIT}proxies.py::test_an_entry_that_names_the_host",
    ),
    "a file beside me is called `csv.py`": (
        f"{SCENARIOS}environment.py::test_no_module_of_the_working_folder_is_imported",
        f"{SCENARIOS}environment.py::test_a_file_called_bulk_is_not_the_command",
    ),
}
"""The beginning of each question, in the order of the pages, and the tests of its answer."""
ASKED = section(README, "What if") + section(JOBS, "More questions")
QUESTIONS = re.findall(r"^\*\*\.\.\. (.*?)\?\*\*", ASKED, re.MULTILINE | re.DOTALL)


def test_every_question_has_its_tests() -> None:
    """A new one needs a line above, and one that goes leaves none behind."""
    assert len(QUESTIONS) == len(ANSWERS)
    for question, beginning in zip(QUESTIONS, ANSWERS, strict=True):
        assert question.startswith(beginning)


@pytest.mark.parametrize("test", sorted({test for tests in ANSWERS.values() for test in tests}))
def test_each_of_them_is_there(test: str) -> None:
    """As a function of its file."""
    path, name = test.split("::")
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
