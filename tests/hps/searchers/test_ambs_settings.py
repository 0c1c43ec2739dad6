from dh_project.hps.searchers.settings import AMBSSettings


def test_auto_is_a_gaussian_process_if_there_are_few_features():
    assert [AMBSSettings().surrogate_for(width) for width in (3, 50, 51)] == ["GP", "GP", "ET"]
    assert AMBSSettings("RF").surrogate_for(3) == "RF"


def test_each_model_has_an_acquisition_function_of_its_own():
    assert [AMBSSettings().acquisition_for(name, 0) for name in ("GP", "ET")] == ["EI", "UCBd"]
    assert [AMBSSettings(acq_func="PId").acquisition_for(name, 0) for name in ("GP", "ET")] == ["PI", "PId"]


def test_a_gaussian_process_takes_the_functions_of_gp_hedge_in_turn():
    settings = AMBSSettings(acq_func="gp_hedge")
    assert {settings.acquisition_for("GP", number) for number in range(3)} == {"UCB", "EI", "PI"}
